"""Measure, join and rank timm's image models. Never imports streamlit or altair."""
