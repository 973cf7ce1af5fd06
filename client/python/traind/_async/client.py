"""The client: everything begins here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Dict, Mapping, Optional, Sequence, Tuple, Union

from traind import _core, _pool, _search, _settings, _sources, _spec, _tables, _uploads, _values, data, display, errors
from traind._async.connection import AsyncConnection
from traind._async.dataset import AsyncDataset, AsyncModel
from traind._async.job import AsyncJob
from traind._async.operation import AsyncOperation
from traind._async.sweep import AsyncSweep

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from traind._types import JobFields, NetworkLike


class AsyncClient:
    """A connection to a traind server.

    Without arguments it is the server of TRAIND_SERVER (with TRAIND_TOKEN) or TRAIND_CONTEXT, of trainctl's current
    context, or of this machine. Nothing is called before the first method.

    Parameters
    ----------
    server : str
        "train.example.org:50051".
    context : str
        Of trainctl, which keeps an address with its credentials: `trainctl context add`.
    token : str
        Who you are. Travels to other machines over TLS alone.
    tls, tls_ca, tls_cert, tls_key, token_file
        As the options of trainctl.
    timeout : float
        Seconds of one call, its retries included.
    on_retry : callable
        Is told of every retry: the failure, and the seconds of the wait. Otherwise longer waits are warnings of the
        logger "traind".
    """

    def __init__(
        self,
        server: Optional[str] = None,
        *,
        context: Optional[str] = None,
        token: Optional[str] = None,
        tls: bool = False,
        tls_ca: Optional[str] = None,
        tls_cert: Optional[str] = None,
        tls_key: Optional[str] = None,
        token_file: Optional[str] = None,
        timeout: float = 30.0,
        on_retry: Optional[Callable[[errors.ServerError, float], None]] = None,
    ) -> None:
        files = {"tls_ca": tls_ca, "tls_cert": tls_cert, "tls_key": tls_key, "token_file": token_file}
        settings = _settings.choose(server, context, token, tls, files)
        self._connection = AsyncConnection(settings, timeout=timeout, on_retry=on_retry)

    @property
    def server(self) -> str:
        """Its address."""
        return self._connection.settings.server

    async def close(self) -> None:
        """Ends the connection. Jobs go on."""
        await self._connection.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *exception: Any) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.server}>"

    async def call(self, method: str, /, **fields: Any) -> Any:
        """Any method of the API by its name, made once: call("SetUser", user="ada", role="viewer"). The fields are
        those of its request; the answer is its message.
        """
        known = _pool.METHODS.get(method)
        if known is None or known.client_streaming or known.server_streaming:
            names = [
                name for name, one in _pool.METHODS.items() if not one.client_streaming and not one.server_streaming
            ]
            raise ValueError(_values.known("method", method, names))
        request = _pool.message_class(known.request)()
        _values.fill(request, fields)
        return await self._connection.once(method, request)

    async def healthy(self) -> bool:
        """Whether the server answers and takes work."""
        return await self._connection.healthy()

    async def whoami(self) -> _core.User:
        """Who makes this call, as the server knows them."""
        user = (await self._connection.call("WhoAmI", _pool.new("WhoAmIRequest"))).user
        return _core.User(user.name.split("/", 1)[-1], _pool.value_name("traind.v1.Role", user.role))

    async def quota(self, user: str = "") -> Dict[str, _core.Use]:
        """How much of each thing there is, and may be: quota()["threads"].limit. One's own; administrators may ask for
        those of all.

        FailedPrecondition: there are no users, and so no quotas.
        """
        name = _core.full_name("users", user) if user else ""
        return _core.uses_of(await self._connection.call("GetQuota", _pool.new("GetQuotaRequest", name=name)))

    async def server_info(self) -> Any:
        """Version, capacity, queue, disk, and whether it begins new work: a traind.v1.ServerInfo."""
        return await self._connection.call("GetServerInfo", _pool.new("GetServerInfoRequest"))

    async def storage(self, *, plan: bool = False) -> Any:
        """Who uses the disk for what; plan: and what the rules of retention would remove, and why. A
        traind.v1.Storage.
        """
        return await self._connection.call("GetStorage", _pool.new("GetStorageRequest", plan=plan))

    # Jobs.

    async def train(
        self,
        network: "NetworkLike",
        dataset: Any = None,
        *,
        job_id: str = "",
        validate_only: bool = False,
        **fields: "Unpack[JobFields]",
    ) -> AsyncJob:
        """Begins to train a network on a dataset; job.wait() shows it and waits.

        network: a traind.Sequential or a list of layers, one of traind.presets, a dict, or a job file (its path or its
        text). dataset: its name. Fields are those of a job file (epochs, loss, optimizer, early_stopping, ...); those
        of its data (preprocessing, augmentation, ...) and its optimizer (learning_rate, schedule, ...) may stand
        beside them. validate_only: the job as it would be; nothing is begun.

        Raises InvalidSpec with all that is wrong, AlreadyExists, QuotaExceeded.
        """
        return await self._create(_spec.job_spec(network, dataset, fields), job_id, validate_only)

    async def submit(
        self, spec: Any, *, job_id: str = "", validate_only: bool = False, **fields: "Unpack[JobFields]"
    ) -> AsyncJob:
        """Begins a job of a whole spec: a traind.JobSpec, a dict, or a job file (its path or its text), with fields
        changed.
        """
        return await self._create(_spec.change(_spec.to_spec(spec), fields), job_id, validate_only)

    async def _create(self, spec: Any, job_id: str, validate_only: bool) -> AsyncJob:
        request = _pool.new(
            "CreateJobRequest", spec=spec, job_id=job_id, request_id=_core.request_id(), validate_only=validate_only
        )
        job = AsyncJob(self._connection, await self._connection.call("CreateJob", request))
        display.warn(job.warnings)
        return job

    async def job(self, name: str) -> AsyncJob:
        """Of "mine" or "jobs/mine". NotFound."""
        request = _pool.new("GetJobRequest", name=_core.full_name("jobs", name))
        return AsyncJob(self._connection, await self._connection.call("GetJob", request))

    async def jobs(
        self, filter: str = "", *, order_by: str = "", limit: Optional[int] = None
    ) -> AsyncIterator[AsyncJob]:
        """All of them, the newest first, page by page: jobs('state = RUNNING AND labels.team = "vision"')."""
        async for one in self._connection.pages("ListJobs", "jobs", limit, {"filter": filter, "order_by": order_by}):
            yield AsyncJob(self._connection, one)

    # Searches.

    async def search(
        self,
        base: Any,
        space: Optional[Mapping[Any, Any]] = None,
        *,
        algorithm: Union[str, Mapping[str, Any]] = "random",
        trials: Optional[int] = None,
        maximize: str = "",
        minimize: str = "",
        sweep_id: str = "",
        validate_only: bool = False,
        **fields: Any,
    ) -> AsyncSweep:
        """Begins a sweep: many trials of one job, to find better values of its fields; sweep.wait() waits.

        base: a traind.JobSpec, a dict, or a job file (its path or its text). space: {"batch_size": [32, 64, 128],
        "optimizer.learning_rate": traind.log_uniform(1e-4, 1e-1)}; see also traind.uniform and traind.integer; a tuple
        of paths gets one value. algorithm: "grid", "random", "latin_hypercube", "asha", "pbt", "external", or a dict of
        its settings: {"asha": {"min_epochs": 1}}. trials: how many. maximize or minimize: a metric, "accuracy"; default:
        the loss, minimized. fields: the others of a traind.v1.SweepSpec (parallelism, seed, median_stopping, budget,
        labels, trained_by_clients, ...).

        Raises InvalidSpec with all that is wrong, AlreadyExists, QuotaExceeded.
        """
        request = _pool.new(
            "CreateSweepRequest", sweep_id=sweep_id, request_id=_core.request_id(), validate_only=validate_only
        )
        request.spec.CopyFrom(_search.sweep_spec(base, space, algorithm, trials, maximize, minimize, fields))
        sweep = AsyncSweep(self._connection, await self._connection.call("CreateSweep", request))
        display.warn(sweep.warnings)
        return sweep

    async def sweep(self, name: str) -> AsyncSweep:
        """Of "widths" or "sweeps/widths". NotFound."""
        request = _pool.new("GetSweepRequest", name=_core.full_name("sweeps", name))
        return AsyncSweep(self._connection, await self._connection.call("GetSweep", request))

    async def sweeps(self, filter: str = "", *, limit: Optional[int] = None) -> AsyncIterator[AsyncSweep]:
        """All of them, the newest first, page by page. Without their specs: refresh() brings that."""
        async for one in self._connection.pages("ListSweeps", "sweeps", limit, {"filter": filter}):
            yield AsyncSweep(self._connection, one)

    # Networks, before any training.

    async def describe(
        self, network: "NetworkLike", input_shape: Optional[Sequence[int]] = None, *, batch_size: Optional[int] = None
    ) -> _tables.Description:
        """Shapes, parameters, FLOPs and memory, layer by layer."""
        request = _pool.new("DescribeNetworkRequest", expanded=True)
        request.network.CopyFrom(self._network(network, input_shape))
        _values.fill(request, {"batch_size": batch_size})
        return _tables.Description(await self._connection.call("DescribeNetwork", request))

    async def probe(
        self, network: "NetworkLike", input_shape: Optional[Sequence[int]] = None, *, seed: int = 0, **fields: Any
    ) -> _tables.Table:
        """The activations of a freshly initialized network on one batch, layer by layer. Trains nothing.

        fields: batch_size, histogram_bins, data (a DataSpec; otherwise N(0, 1) is fed), data_initialization, precision.
        """
        request = _pool.new("ProbeNetworkRequest", seed=seed)
        request.network.CopyFrom(self._network(network, input_shape))
        _values.fill(request, fields)
        answer = await self._connection.call("ProbeNetwork", request, self._connection.long_timeout)
        display.warn(answer.warnings)
        return _tables.layers_table_of(answer.statistics)

    @staticmethod
    def _network(network: Any, input_shape: Optional[Sequence[int]]) -> Any:
        message = _spec.to_network(network)
        if input_shape is not None:
            del message.input_shape[:]
            message.input_shape.extend(input_shape)
        return message

    # Data.

    async def upload_dataset(
        self,
        name: str,
        source: Union[None, str, "os.PathLike[str]", Mapping[str, Any]] = None,
        *,
        x_train: Any = None,
        y_train: Any = None,
        x_val: Any = None,
        y_val: Any = None,
        x_test: Any = None,
        y_test: Any = None,
        train: Any = None,
        val: Any = None,
        test: Any = None,
        class_names: Optional[Sequence[str]] = None,
        labels: Optional[Mapping[str, str]] = None,
        progress: Optional[bool] = None,
        **options: Any,
    ) -> AsyncDataset:
        """Sends data and makes a dataset of it.

        Arrays (numpy, pandas, torch) as x_train=, y_train=, and so on; or train=, test= as (examples, targets), a
        tf.data or torch dataset; or source: a file (NPZ, NPY, CSV, an archive of images), a folder <class>/<image>, or
        a dict of splits: {"train": "pets/train", "test": "pets-test.zip"}. Integers and words are labels, floats are
        targets.

        options: image_size=(64, 64), grayscale, skip_bad_files; of CSV label_column, target_columns, feature_columns,
        drop_columns, categorical_columns, delimiter, missing; layout="channels_last".
        """
        pairs = {"train": (x_train, y_train, train), "val": (x_val, y_val, val), "test": (x_test, y_test, test)}
        plan = _uploads.plan(name, source, pairs, list(class_names or []) or None, labels, options)
        with plan:
            await self._check(plan)
            sent: Dict[str, str] = {}
            for upload in plan.sources():
                if upload.crc32 not in sent:
                    sent[upload.crc32] = await self._send(upload, progress)
            request = plan.request(sent)
        operation = await self._connection.call("ImportDataset", request)
        return AsyncDataset(
            self._connection, await AsyncOperation(self._connection, operation).wait(progress=display.wanted(progress))
        )

    async def _check(self, plan: _uploads.Plan) -> None:
        """Has the server say what is wrong before anything is sent."""
        try:
            await self._connection.call("ImportDataset", plan.trial())
        except errors.NotFound as error:
            if _uploads.NOT_SENT not in error.message:  # A server of before 0.3 misses what is not there yet.
                raise

    async def _send(self, source: _sources.Source, progress: Optional[bool]) -> str:
        """The name of the upload. A broken one goes on where it stopped."""
        upload = _sources.upload_id(source, self._connection.settings)
        backoff = _core.Backoff(_core.STREAMS)
        before = -1
        with display.Bar(display.wanted(progress)) as bar:
            while True:
                try:
                    offset, complete = await self._committed(upload)
                    bar.update(source.name, offset, source.size, "bytes")
                    if complete:
                        return f"uploads/{upload}"
                    if offset > before:
                        backoff.reset()
                    before = offset
                    return str(
                        (
                            await self._connection.send("UploadDataset", _uploads.requests(source, upload, offset, bar))
                        ).name
                    )
                except errors.AlreadyExists:
                    return f"uploads/{upload}"  # Complete, and the answer to that was lost.
                except errors.ServerError as error:
                    await self._connection.wait_after(error, backoff)

    async def _committed(self, upload: str) -> Tuple[int, bool]:
        try:
            known = await self._connection.call("GetUpload", _pool.new("GetUploadRequest", name=f"uploads/{upload}"))
        except errors.NotFound:
            return 0, False
        return known.committed_bytes, known.complete

    async def import_dataset(
        self,
        name: str,
        splits: Mapping[str, Any],
        *,
        class_names: Sequence[str] = (),
        labels: Optional[Mapping[str, str]] = None,
        progress: Optional[bool] = None,
        **options: Any,
    ) -> AsyncDataset:
        """Makes a dataset of files on the server's machine, below its --dataset-root: {"train": (images, labels), ...}.
        options as of upload_dataset."""
        request = _uploads.import_request(name, splits, class_names, labels, options)
        operation = await self._connection.call("ImportDataset", request)
        return AsyncDataset(
            self._connection, await AsyncOperation(self._connection, operation).wait(progress=display.wanted(progress))
        )

    async def dataset(self, name: str) -> AsyncDataset:
        """Of "toy" or "datasets/toy". NotFound."""
        request = _pool.new("GetDatasetRequest", name=_core.full_name("datasets", name))
        return AsyncDataset(self._connection, await self._connection.call("GetDataset", request))

    async def datasets(
        self, filter: str = "", *, order_by: str = "", limit: Optional[int] = None
    ) -> AsyncIterator[AsyncDataset]:
        """All of them, page by page."""
        async for one in self._connection.pages(
            "ListDatasets", "datasets", limit, {"filter": filter, "order_by": order_by}
        ):
            yield AsyncDataset(self._connection, one)

    # Models and operations.

    async def upload_model(
        self,
        name: str,
        weights: Union[str, "os.PathLike[str]", Mapping[str, Any]],
        *,
        labels: Optional[Mapping[str, str]] = None,
    ) -> AsyncModel:
        """Weights of your own: tensors by name, or a safetensors file."""
        if isinstance(weights, Mapping):
            source = _sources.Source(
                name, [_core.write_safetensors({key: data.to_array(value) for key, value in weights.items()})]
            )
        else:
            source = _sources.file_source(weights)
        header = _pool.new(
            "UploadModelHeader",
            model_id=name,
            size_bytes=source.size,
            crc32=source.crc32,
            labels=dict(labels or {}),
            request_id=_core.request_id(),
        )
        backoff = _core.Backoff(_core.STREAMS)
        with source:
            while True:
                try:
                    requests = _uploads.model_requests(header, source)
                    return AsyncModel(self._connection, await self._connection.send("UploadModel", requests))
                except errors.ServerError as error:
                    await self._connection.wait_after(error, backoff)

    async def ensemble(
        self,
        name: str,
        members: Sequence[Any],
        *,
        mean: str = "outputs",
        running_statistics: str = "refuse",
        labels: Optional[Mapping[str, str]] = None,
    ) -> AsyncModel:
        """One model of several: the mean of their outputs, or with mean="weights" of their weights.

        members: jobs, names of jobs or of checkpoints ("cnn", "cnn/400", "cnn/best"), models that were made of others,
        or pairs of an uploaded model and its job.
        """
        request = _pool.new(
            "CreateEnsembleRequest",
            model_id=name,
            mean=f"MEAN_{mean.upper()}",
            running_statistics=f"RUNNING_STATISTICS_{running_statistics.upper()}",
            labels=dict(labels or {}),
            request_id=_core.request_id(),
        )
        for member in members:
            model, job = member if isinstance(member, tuple) else (member, None)
            request.members.add(
                model=_core.weights_name(model), job="" if job is None else _core.full_name("jobs", job)
            )
        made = await self._connection.call("CreateEnsemble", request, self._connection.long_timeout)
        return AsyncModel(self._connection, made)

    async def model(self, name: str) -> AsyncModel:
        """Of "mine" or "models/mine". NotFound."""
        request = _pool.new("GetModelRequest", name=_core.full_name("models", name))
        return AsyncModel(self._connection, await self._connection.call("GetModel", request))

    async def models(
        self, filter: str = "", *, order_by: str = "", limit: Optional[int] = None
    ) -> AsyncIterator[AsyncModel]:
        """All of them, page by page."""
        async for one in self._connection.pages(
            "ListModels", "models", limit, {"filter": filter, "order_by": order_by}
        ):
            yield AsyncModel(self._connection, one)

    async def operation(self, name: str) -> AsyncOperation:
        """Work that was begun before. NotFound."""
        request = _pool.new("GetOperationRequest", name=_core.full_name("operations", name))
        return AsyncOperation(self._connection, await self._connection.call("GetOperation", request))

    async def operations(self, filter: str = "", *, limit: Optional[int] = None) -> AsyncIterator[AsyncOperation]:
        """The newest first, page by page."""
        async for one in self._connection.pages("ListOperations", "operations", limit, {"filter": filter}):
            yield AsyncOperation(self._connection, one)
