from __future__ import annotations

import json
from functools import partial

import pytest

import bspump
from bspump.abc.errors import ConfigError
from bspump.abc.state import Snapshot
from bspump.model import Model
from bspump.state import MemoryStateStore
from bspump.testing import Harness, virtual_time


class Line(Model):
    """Predicts by a slope from a file; learns an offset."""

    def __init__(self, app, id=None, config=None):
        self.Slope, self.Offset = 1.0, 0.0
        super().__init__(app, id, config)

    def load_model_from_file(self):
        with open(self.PathModel) as file:  # noqa: PTH123 - as users write it
            self.Slope = float(file.read()) * self.Parameters["scale"]

    async def update(self, offset):
        self.Offset += offset

    def transform(self, sample):
        return sample["x"]

    def predict(self, x):
        return self.Slope * x + self.Offset

    def snapshot(self):
        return Snapshot(value=self.Offset)

    def restore(self, state):
        self.Offset = state.value


class Predicting(bspump.Processor):
    def __init__(self, app, pipeline, model, id=None):
        super().__init__(app, pipeline, id)
        self.Model = model

    def shares(self):
        return (self.Model,)

    def process(self, context, event):
        predicted = self.Model.predict(self.Model.transform(event))
        self.Model.Offset += 1
        return predicted


async def test_model_and_parameters_are_loaded_from_files(tmp_path):
    (tmp_path / "line").write_text("2.5")
    (tmp_path / "parameters.json").write_text(json.dumps({"scale": 2}))
    harness = Harness(["--set", f"[model:Line] path_model={tmp_path}/line"])
    model = Line(harness.app, config={"path_parameters": f"{tmp_path}/parameters.json"})
    async with harness:
        await model.update(1)
        assert model.Parameters == {"scale": 2}
        assert model.predict(model.transform({"x": 4})) == 21
        assert model.time() == pytest.approx(harness.app.time(), abs=5)


@pytest.mark.parametrize("content", [None, "{broken"])
async def test_parameters_that_cannot_be_read_are_a_configuration_error(tmp_path, content):
    if content is not None:
        (tmp_path / "parameters.json").write_text(content)
    async with Harness() as harness:
        with pytest.raises(ConfigError, match=r"\[model:Line\] path_parameters"):
            Line(harness.app, config={"path_parameters": f"{tmp_path}/parameters.json"})


async def test_what_is_not_overridden_says_so():
    async with Harness() as harness:
        model = Model(harness.app)
        assert not model.is_stateful()
        assert await model.update() is None
        for method in (model.transform, model.predict, model.load_model_from_file):
            with pytest.raises(NotImplementedError, match="Model"):
                method()


@virtual_time
async def test_what_a_model_has_learnt_outlives_the_process():
    store = MemoryStateStore()
    found = []
    for life in (1, 2):
        harness = Harness(store=store)
        model = Line(harness.app)
        harness.chain(partial(Predicting, model=model))
        async with harness:
            harness.send([{"x": 0}] * 2 * life)
            await harness.settle()
            await harness.pipelines[0].checkpoint()
            found += harness.out()
    assert found == [0, 1, 2, 3]
