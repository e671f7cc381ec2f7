"""Every fault the stage can play, by name.

A fault either lasts until it is undone, or is a moment with lasting consequences (a connection that ends). A few
are a matter of the addresses a client is given; these cannot be switched on under a running client.
"""

from collections.abc import Mapping
from types import MappingProxyType

from monitor.emulator.fault import Fault
from monitor.emulator.faults_data import clocks, data
from monitor.emulator.faults_network import connections
from monitor.emulator.faults_rest import accounts, rest

CATALOGUE: Mapping[str, Fault] = MappingProxyType(
    {one.name: one for one in (*connections(), *data(), *rest(), *accounts(), *clocks())}
)
"""Every fault by name, in the order of the groups."""
