"""Every row of the table, in its order."""

from tests.faults import rows_catalogue, rows_channels, rows_service
from tests.faults.rows import BASELINE, Row

ROWS: tuple[Row, ...] = (BASELINE, *rows_catalogue.ROWS, *rows_service.ROWS, *rows_channels.ROWS)
