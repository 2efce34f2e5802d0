"""`python -m bench`: the commands of `bench.cli`, and `report`, which draws the dashboard's chart.

This is the one place above both bench and pages, as app.py is above the pages: nothing imports it,
and importing it loads neither streamlit nor altair.
"""

from bench.cli import main
from pages.ui.report_command import report

main.add_command(report)

if __name__ == "__main__":
    main(prog_name="python -m bench")
