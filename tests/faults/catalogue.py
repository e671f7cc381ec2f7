"""Every row of the table, in its order."""

from tests.faults import rows_channels, rows_exchange, rows_service
from tests.faults.rows import BASELINE, Row

ROWS: tuple[Row, ...] = (BASELINE, *rows_exchange.ROWS, *rows_channels.ROWS, *rows_service.ROWS)
