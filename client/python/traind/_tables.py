"""Numbers in columns: what metrics(), layers() and describe() give."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Sequence, Tuple, Union

import numpy as np

from traind import _export, _pages, events


class Table(Dict[str, Any]):
    """Columns by name, numpy arrays of one length; pandas() makes a DataFrame of them, save() a file."""

    checkpoints: Sequence[int] = ()  # Of suspects(): the steps of those that it is made of.

    def pandas(self) -> Any:
        """A pandas.DataFrame."""
        import pandas

        return pandas.DataFrame(
            {name: list(column) if column.dtype == object else column for name, column in self.items()}
        )

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Writes a file of the kind that its name says: .csv, .jsonl (JSON lines), or .parquet, which needs pandas and
        pyarrow. A number that is not there is an empty field of CSV and null in JSON.
        """
        _export.save(self, path)

    @property
    def rows(self) -> int:
        return len(next(iter(self.values()))) if self else 0

    def __repr__(self) -> str:
        return f"<Table of {self.rows} rows: {', '.join(self)}>"

    def _repr_html_(self) -> str:
        return _pages.table_html(self)


def table_of(rows: Sequence[Tuple[Any, ...]], names: Sequence[str]) -> Table:
    """Numbers that are not there are NaN."""
    table = Table()
    for i, name in enumerate(names):
        values = [row[i] for row in rows]
        if any(isinstance(value, (np.ndarray, str, tuple)) for value in values):
            column = np.empty(len(values), dtype=object)
            column[:] = values
            table[name] = column
        else:
            whole = all(isinstance(value, int) for value in values)
            table[name] = np.array(
                [np.nan if value is None else value for value in values],
                dtype=np.int64 if whole and values else np.float64,
            )
    return table


METRICS = (
    "step",
    "epoch",
    "loss",
    "accuracy",
    "mean_loss",
    "mean_accuracy",
    "penalty",
    "learning_rate",
    "gradient_norm",
    "evaluation_loss",
    "evaluation_accuracy",
    "test_loss",
    "test_accuracy",
    "examples_per_second",
)


def metrics_table(seen: Sequence[events.Event]) -> Table:
    """One row for each step at which there was something: training and evaluation side by side."""
    rows: Dict[int, Dict[str, Any]] = {}
    for event in seen:
        if isinstance(event, events.Train):
            row = rows.setdefault(event.step, {})
            row.update(
                epoch=event.epoch,
                loss=event.loss,
                accuracy=event.accuracy,
                mean_loss=event.mean_loss,
                mean_accuracy=event.mean_accuracy,
                penalty=event.penalty,
                learning_rate=event.learning_rate,
                gradient_norm=event.gradient_norm,
            )
            if event.timing:
                row["examples_per_second"] = event.timing.examples_per_second
        elif isinstance(event, events.Test):
            rows.setdefault(event.step, {}).update(
                epoch=event.epoch, test_loss=event.loss, test_accuracy=event.accuracy
            )
        elif isinstance(event, events.Evaluation):
            rows.setdefault(event.step, {}).update(
                epoch=event.epoch, evaluation_loss=event.loss, evaluation_accuracy=event.accuracy
            )
    return table_of([(step, *(rows[step].get(name) for name in METRICS[1:])) for step in sorted(rows)], METRICS)


LAYERS = ("step", *events.Layer._fields, "gradient_norm", "update_ratio")


def layers_table(seen: Sequence[events.Event]) -> Table:
    """One row for each layer of each observed step. Gradient and update are those of the layer's weight."""
    rows = []
    for event in seen:
        if isinstance(event, events.Statistics):
            weights = {one.name: one for one in event.parameters}
            for layer in event.layers:
                weight = weights.get(f"{layer.layer}.weight")
                rows.append(
                    (
                        event.step,
                        *layer,
                        weight.gradient_norm if weight else None,
                        weight.update_ratio if weight else None,
                    )
                )
    return table_of(rows, LAYERS)


def layers_table_of(report: Any) -> Table:
    """Of one StatisticsReport by itself."""
    return table_of([(0, *layer, None, None) for layer in events.layers_of(report)], LAYERS)


class Description:
    """A network as it was planned. `proto` is the whole traind.v1.NetworkDescription."""

    def __init__(self, proto: Any) -> None:
        self.proto = proto
        self.parameters: int = proto.parameters  # Trained numbers.
        self.forward_flops: int = proto.forward_flops  # Of one example; a multiply-add counts as two.
        self.training_memory_bytes: int = proto.training_memory_bytes  # At most.
        self.warnings: List[str] = list(proto.warnings)
        self.layers = table_of(
            [
                (one.name, one.kind, one.activation, tuple(one.output_shape), one.num_parameters, one.forward_flops)
                for one in proto.layers
            ],
            ("layer", "kind", "activation", "shape", "parameters", "flops"),
        )

    def __repr__(self) -> str:
        names = list(self.layers)
        rows = [names] + [
            [
                "x".join(map(str, cell))
                if isinstance(cell, tuple)
                else f"{cell:,}"
                if not isinstance(cell, str)
                else cell
                for cell in row
            ]
            for row in zip(*self.layers.values())
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(len(names))]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 3 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))
            )
            for row in rows
        ]
        lines.append(
            f"{self.parameters:,} parameters, {self.forward_flops:,} FLOPs an example, "
            f"{self.training_memory_bytes / 1e6:,.1f} MB to train"
        )
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])

    def _repr_html_(self) -> str:
        return _pages.table_html(self.layers)
