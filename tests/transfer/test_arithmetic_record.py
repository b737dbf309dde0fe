"""A run, its picture and an export say which arithmetic computed them."""

import json

import numpy as np
import pytest

import tf_style
from tf_style.engine import assembly
from tf_style.export import saved_model, stablehlo
from tf_style.network import arithmetic
from tf_style.provenance import description


@pytest.mark.parametrize(("pays", "expected"), [(True, "bfloat16"), (False, "winograd")])
def test_the_choice_of_auto_is_in_the_result_and_in_its_file(
    monkeypatch, mini_network, tmp_path, pays, expected
):
    monkeypatch.setattr(arithmetic, "_is_known_to_pay", lambda has_gpu: None)
    monkeypatch.setattr(arithmetic, "bfloat16_pays", lambda _: pays)
    monkeypatch.setattr(assembly, "arithmetic", arithmetic.arithmetic)
    picture = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)
    config = tf_style.StyleConfig(size=40).replace(steps=1, scales="none", optimizer="adam")
    result = tf_style.stylize(picture, picture[::-1], config=config)
    assert config.compute.precision == "auto"
    assert result.arithmetic == expected
    result.save(tmp_path / "painted.png")
    assert description.read_description(tmp_path / "painted.png")["arithmetic"] == expected


def test_an_export_says_it_too(monkeypatch):
    about = saved_model.about_model(tf_style.StyleConfig(), "0" * 64, "winograd")
    assert json.loads(json.dumps(about))["arithmetic"] == "winograd"


@pytest.mark.parametrize("module", [saved_model, stablehlo])
def test_exports_hold_operations_for_every_machine(monkeypatch, tmp_path, module):
    asked = []

    def load(config, *, kind, **options):
        asked.append(kind)
        raise NotImplementedError

    monkeypatch.setattr(module, "load_problem", load)
    export = {saved_model: saved_model.export_saved_model, stablehlo: stablehlo.export_stablehlo}
    size = {"height": 32, "width": 40} if module is stablehlo else {}
    config = tf_style.StyleConfig().replace(precision="bfloat16")
    with pytest.raises(NotImplementedError):
        export[module](tmp_path / "exported", config=config, **size)
    assert asked == ["bfloat16"]
