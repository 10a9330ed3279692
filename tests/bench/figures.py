"""What many samples of one thing come to."""

import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Series:
    """The samples of one metric of one contender, in the order they were taken."""

    samples: tuple

    @property
    def median(self):
        return statistics.median(self.samples)

    @property
    def lower(self):
        return self._quartile(0)

    @property
    def upper(self):
        return self._quartile(2)

    @property
    def spread(self):
        """Half of what the middle half of the samples spans, as a share of the median."""
        return (self.upper - self.lower) / 2 / self.median if self.median else 0.0

    def _quartile(self, which):
        if len(self.samples) == 1:
            return self.samples[0]
        return statistics.quantiles(self.samples, n=4, method="inclusive")[which]

    def to_json(self):
        return {"median": self.median, "lower_quartile": self.lower, "upper_quartile": self.upper,
                "least": min(self.samples), "samples": list(self.samples)}


class Table:
    """All series of one run, by (workload, contender, metric)."""

    def __init__(self):
        self._samples = {}

    def add(self, workload, contender, metric, value):
        self._samples.setdefault((workload, contender, metric), []).append(value)

    def get(self, workload, contender, metric):
        """The series, or None if nothing of it was measured."""
        samples = self._samples.get((workload, contender, metric))
        return Series(tuple(samples)) if samples else None

    def keys(self):
        return list(self._samples)

    def to_json(self):
        return [{"workload": key[0], "contender": key[1], "metric": key[2], **self.get(*key).to_json()}
                for key in self._samples]
