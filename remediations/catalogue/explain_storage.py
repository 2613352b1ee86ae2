"""Say that the destination does not reach the shared volume that a virtual machine lies on.

A volume that is paused or unavailable on a node (events 5120, 5142) fails every move to it. Paths, multipathing and storage
are mended where they are; a folder that is on no shared volume is on its host alone, and moves with its storage only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads, unread
from remediations.catalogue.subjects import OfClusterWay
from remediations.facts.cluster import from_any, witnesses
from remediations.facts.health import VmFolder, VolumePaths, vm_folder, volume_paths
from remediations.model.causes import Cause
from remediations.model.command import quoted
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Unknown
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ExplainStorage(OfClusterWay):
    """Whether the destination reaches the volume that a virtual machine lies on."""

    id: ClassVar[str] = "explain-storage"
    title: ClassVar[str] = "Storage from the destination"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.STORAGE_UNREACHABLE,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """Where it lies, and which node reaches which volume."""
        del evidence
        home = site.cluster_of(site.host(self.destination).name)
        if home is None:
            raise LookupError(f"{self.destination} is no node of a cluster in site.yaml")
        return Reads(
            {"cluster": home.name},
            folder={host: vm_folder(self.vm, host) for host in homes(self.source, site)},
            paths=from_any(volume_paths, home.name, of=witnesses(home, self.source, self.destination)),
        )

    def plan(self, *, cluster: str, folder: VmFolder, paths: VolumePaths | Unknown | NotApplicable) -> Iterator[Item]:
        """One item."""
        lies = f"{self.vm} lies in {folder.path}"
        if isinstance(paths, Unknown):
            yield unread(f"shared volumes of {cluster}", paths)
            return
        known = paths.volumes if isinstance(paths, VolumePaths) else frozenset()
        parts = [each.casefold() for each in folder.path.split(chr(92))]
        volume = next((each for each in sorted(known) if "clusterstorage" in parts and each.casefold() in parts), None)
        if folder.path.startswith(chr(92) * 2):
            yield Satisfied(why=f"{lies}, a share: whether {self.destination} may read it is a question of its rights")
        elif volume is None:
            yield Manual(
                why=f"{lies}, which is on no shared volume of {cluster}: {self.destination} cannot reach it",
                instructions=(
                    f"Move its storage to a shared volume first: Move-VMStorage -VMName {quoted(self.vm)} "
                    f"-DestinationStoragePath "
                    "'A FOLDER BELOW C:/ClusterStorage'",
                    "Then move the virtual machine again",
                ),
            )
        elif isinstance(paths, VolumePaths) and not paths.reaches(self.destination, volume):
            everywhere = ", ".join(sorted(paths.unreached))
            yield Manual(
                why=f"{lies}; {volume} is paused or unavailable on {self.destination} (not reached: {everywhere})",
                instructions=(
                    f"On {self.destination}: Get-ClusterSharedVolumeState -Node {self.destination}, and events 5120, 5142 of "
                    "its System log: which path was lost",
                    "Look at its paths: Get-Disk, mpclaim -s -d, cables, zoning, iSCSI sessions; and at TCP 445 "
                    "between the nodes, which redirected access needs",
                    f"When it reads Direct or redirected again, move {self.vm} again; meanwhile to one that reaches it",
                ),
            )
        else:
            yield Satisfied(why=f"{lies}; {self.destination} reaches {volume}")
