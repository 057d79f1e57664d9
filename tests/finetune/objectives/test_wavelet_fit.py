"""Which wavelets can be an objective, on which crops: told before anything is encoded."""

from __future__ import annotations

import pytest
import pywt
import torch

from finetune.config.run_config import ObjectiveConfig
from finetune.objectives.losses import Prediction, make_objective, velocity_mse
from finetune.objectives.wavelet_fit import check_wavelet, defect, orthonormal_taps

ORTHONORMAL = [
    name for name in pywt.wavelist(kind="discrete") if pywt.Wavelet(name).orthogonal and name != "dmey"
]


@pytest.mark.parametrize("wavelet", ORTHONORMAL)
def test_weights_of_one_are_plain_mse_for_every_orthonormal_wavelet(wavelet: str) -> None:
    made = torch.randn(3, 2, 4, 16, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    given = Prediction(made[0], made[1], made[2], torch.tensor([0.2, 0.8], dtype=torch.float64))
    ones = ((1.0, 1.0, 1.0),) * 2
    objective = make_objective(
        ObjectiveConfig(kind="wavelet", wavelet=wavelet, levels=2, detail_weights=ones)
    )
    low, _ = orthonormal_taps(wavelet)
    # As exact as its table: along each side and level a defect enters once for each shift by two.
    tolerance = max(1e-12, 4 * len(low) * defect(low))
    torch.testing.assert_close(objective(given), velocity_mse(given), rtol=tolerance, atol=0)


def test_there_are_wavelets_of_every_kind() -> None:
    assert {"haar", "db38", "sym20", "coif17"} <= set(ORTHONORMAL)


def test_crops_that_cannot_be_split_are_named_with_the_remedy() -> None:
    wavelet = ObjectiveConfig(kind="wavelet", levels=3, detail_weights=((1.0, 1.0, 2.0),) * 3)
    check_wavelet(wavelet, [(2048, 2048), (1024, 1152)], 16)
    with pytest.raises(ValueError, match=r"2496 x 1664 px are 156 x 104; set objective.levels to 2, or data"):
        check_wavelet(wavelet, [(2048, 2048), (2496, 1664)], 16)
    check_wavelet(wavelet, [(2496, 1664)], 8)
    check_wavelet(ObjectiveConfig(), [(2080, 2080)], 16)  # plain MSE splits nothing
    # dmey is called orthogonal by PyWavelets, and its weights of one would not be the mean square.
    for name, words in (("hare", "no wavelet"), ("bior2.2", "not orthonormal"), ("dmey", "not orthonormal")):
        with pytest.raises(ValueError, match=words):
            check_wavelet(ObjectiveConfig(kind="wavelet", wavelet=name), (), 16)
