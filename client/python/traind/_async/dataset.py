"""Datasets and models: what lies on the server under a name."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple

from traind import _core, _pages, _pool, _values
from traind._async.job import predict
from traind._async.operation import AsyncOperation, download
from traind._async.resource import AsyncResource


class AsyncDataset(AsyncResource):
    """A dataset on the server, as it was last seen: refresh() looks again. Properties make no call."""

    _message = "Dataset"

    @property
    def splits(self) -> Dict[str, int]:
        """How many examples each split has."""
        return {split.name: split.num_examples for split in self.proto.splits}

    @property
    def shape(self) -> Tuple[int, ...]:
        """Of one example: (features,) or (channels, height, width)."""
        return tuple(self.proto.example_shape)

    @property
    def num_classes(self) -> int:
        """0 with float targets."""
        return int(self.proto.num_classes)

    @property
    def class_names(self) -> List[str]:
        return list(self.proto.class_names)

    @property
    def notes(self) -> List[str]:
        """What the import guessed, rounded or left out."""
        return list(self.proto.notes)

    async def describe(self) -> Any:
        """Counts, moments and warnings: a traind.v1.DatasetDescription."""
        request = _pool.new("DescribeDatasetRequest", name=self.name, request_id=_core.request_id())
        return await AsyncOperation(self._connection, await self._connection.call("DescribeDataset", request)).wait()

    async def preview(
        self, split: str = "", *, augmentation: Any = None, rows: int = 0, columns: int = 0, seed: int = 0
    ) -> _pages.Picture:
        """Images as the network would see them: a notebook shows it, and .save(path) writes a PNG file."""
        request = _pool.new("PreviewDatasetRequest", name=self.name, split=split, rows=rows, columns=columns, seed=seed)
        _values.fill(request, {"augmentation": augmentation})
        return _pages.Picture(
            (await self._connection.call("PreviewDataset", request, self._connection.long_timeout)).png
        )

    async def update(self, *, labels: Mapping[str, str]) -> "AsyncDataset":
        """Changes the labels."""
        return await self._update({"labels": labels})

    async def delete(self, *, force: bool = False) -> None:
        """Removes it. force: also when jobs that have ended were trained on it."""
        await self._connection.once("DeleteDataset", _pool.new("DeleteDatasetRequest", name=self.name, force=force))

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {count:,}" for name, count in self.splits.items())
        kind = f"{self.num_classes} classes" if self.num_classes else f"{self.proto.target_width} targets"
        return f"<Dataset {self.name}: {parts}, {list(self.shape)}, {kind}>"


class AsyncModel(AsyncResource):
    """Weights that somebody brought, or that were made of others."""

    _message = "Model"

    async def weights(self) -> Dict[str, Any]:
        """The tensors by name, as numpy arrays."""
        return _core.read_safetensors(await download(self._connection, self.name))

    @property
    def members(self) -> List[str]:
        """Of a model that was made of others: their names; else empty."""
        return [member.model for member in self.proto.ensemble.members]

    async def predict(
        self,
        examples: Any = None,
        job: Any = None,
        *,
        images: Any = None,
        table: Any = None,
        test_time: Any = None,
        **columns: Any,
    ) -> _core.Prediction:
        """What the network of a job says with these weights; a model made of others (Client.ensemble) needs no job.
        The rest is as of Job.predict."""
        reference = self._reference(job)
        return await predict(self._connection, reference, examples, test_time, images=images, table=table, **columns)

    async def evaluate(
        self, split: str = "", *, dataset: str = "", job: Any = None, test_time: Any = None, progress: bool = False
    ) -> _core.Score:
        """Loss, accuracy and metrics on a split; empty: the job's evaluation split. job: as of predict."""
        request = _pool.new("EvaluateRequest", model=self._reference(job), request_id=_core.request_id())
        _values.fill(request, {"test_time": test_time})
        if split or dataset:
            request.data.dataset = dataset and _core.full_name("datasets", dataset)
            request.data.evaluation_split = split
        made = await AsyncOperation(self._connection, await self._connection.call("Evaluate", request)).wait(
            progress=progress
        )
        return _core.score_of(made)

    def _reference(self, job: Any) -> Any:
        return _pool.new("ModelRef", model=self.name, job="" if job is None else _core.full_name("jobs", job))

    async def update(
        self, *, labels: Optional[Mapping[str, str]] = None, pinned: Optional[bool] = None
    ) -> "AsyncModel":
        """Changes what may change. pinned: no rule of retention removes it."""
        return await self._update({"labels": labels, "pinned": pinned})

    async def delete(self) -> None:
        """Removes it. Jobs that began with it keep a copy."""
        await self._connection.once("DeleteModel", _pool.new("DeleteModelRequest", name=self.name))

    def __repr__(self) -> str:
        return f"<Model {self.name}: {self.proto.size_bytes:,} bytes>"
