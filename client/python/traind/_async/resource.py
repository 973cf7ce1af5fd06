"""What jobs, datasets and models have in common: a name, an owner, labels, and who may see them."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, TypeVar

from traind import _pool, _values
from traind._async.connection import AsyncConnection

R = TypeVar("R", bound="AsyncResource")


class AsyncResource:
    """Something that lies on the server under a name, as it was last seen: refresh() looks again. Properties make no
    call. `proto` is its whole message.
    """

    _message = ""  # "Job".

    def __init__(self, connection: AsyncConnection, proto: Any) -> None:
        self._connection = connection
        self.proto = proto

    @property
    def name(self) -> str:
        """ "jobs/mine", "datasets/toy", "models/brought"."""
        return str(self.proto.name)

    @property
    def id(self) -> str:
        """ "mine"."""
        return self.name.split("/", 1)[-1]

    @property
    def owner(self) -> str:
        """The user who made it; empty: nobody, on a server without users."""
        return str(self.proto.owner)

    @property
    def labels(self) -> Dict[str, str]:
        return dict(self.proto.labels)

    async def refresh(self: R) -> R:
        """Looks again."""
        request = _pool.new(f"Get{self._message}Request", name=self.name)
        self.proto = await self._connection.call(f"Get{self._message}", request)
        return self

    async def share(self: R, *users: str, everybody: bool = False, nobody: bool = False) -> R:
        """Lets others read it, beside those who may already: users by name, or everybody who is let in. nobody: its
        owner alone, and those who are named here.

        A job does not share the dataset that it was trained on: share that, too, for others to evaluate it. Aborted:
        somebody else changed it meanwhile.
        """
        if not (users or everybody or nobody):
            raise TypeError('share with whom? share("bob"), everybody=True or nobody=True')
        await self.refresh()
        sharing = _pool.new("Sharing") if nobody else self.proto.sharing
        readers = dict.fromkeys([*sharing.readers, *(user.split("/", 1)[-1] for user in users)])
        request = self._changed({"sharing": {"public": everybody or sharing.public, "readers": list(readers)}})
        getattr(request, self._message.lower()).etag = self.proto.etag
        self.proto = await self._connection.call(f"Update{self._message}", request)
        return self

    async def _update(self: R, changes: Mapping[str, Optional[Any]]) -> R:
        self.proto = await self._connection.call(f"Update{self._message}", self._changed(changes))
        return self

    def _changed(self, changes: Mapping[str, Optional[Any]]) -> Any:
        """A request that changes what is not None."""
        request = _pool.new(f"Update{self._message}Request")
        place = getattr(request, self._message.lower())
        place.name = self.name
        _values.fill(place, changes)
        request.update_mask.paths.extend(name for name, value in changes.items() if value is not None)
        return request
