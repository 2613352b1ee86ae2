r"""The lab's protocol half: handlers become WS-Management endpoints that a real PowerShell Remoting client talks to.

    async def get_vm(call: Call) -> None:
        call.output(Object(("Microsoft.HyperV.PowerShell.VirtualMachine",), {"Name": "VM42"}, text="VM42"))

    surface = Surface("HV01", "Microsoft.PowerShell", {"Get-VM": get_vm})
    with LabServer([surface], {r"CONTOSO\svc-migrate": "password"}) as lab:
        ip, https_port, http_port = lab.address("HV01")
        ...  # WSMan(ip, port=https_port, auth="ntlm", cert_validation=str(lab.authority), ...)
        lab.journal.executed("Get-VM", "HV01")

Every surface also answers `Write-Output -InputObject` and `Get-Command -Name`.
"""

from remediations.lab.protocol.authentication import Account
from remediations.lab.protocol.bind import implementation
from remediations.lab.protocol.faults import Fault, FaultPlan, Fired
from remediations.lab.protocol.journal import Entry, Journal, Requests
from remediations.lab.protocol.server import Address, ClientCertificate, LabServer

__all__ = [
    "Account",
    "Address",
    "ClientCertificate",
    "Entry",
    "Fault",
    "FaultPlan",
    "Fired",
    "Journal",
    "LabServer",
    "Requests",
    "implementation",
]
