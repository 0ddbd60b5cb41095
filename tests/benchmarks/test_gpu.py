"""The benchmark of graphics cards runs unattended: tried here on the processor with a small network, nothing timed."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("pytorch_grad_cam")
from benchmarks import gpu


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer4 = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU())
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.layer4(x).mean((2, 3)))
        return out


def test_it_writes_a_page_of_every_race(tmp_path: Path) -> None:
    size = gpu.Size(Small, Small, 32, (1, 2), 8, 0.0)
    assert gpu.run("cpu", size, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text("utf-8")
    for said in ("Grad-CAM, batch 2", "Ten gradient methods, batch 1", "Eigen-CAM", "Ablation-CAM", "Score-CAM"):
        assert said in page
    assert "photos a second explained" in page
    assert re.search(r"Insertion at \d+% of the bare network's rate", page)
    assert len(re.findall(r"\| (?:met|\*\*missed\*\*|not measured here) \|", page)) == 12


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_without_a_card_it_says_so_and_the_page_says_that_it_was_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not gpu.run(path=tmp_path / "page.md")
    assert capsys.readouterr().out == "no GPU\n"
    assert not (tmp_path / "page.md").exists()
    assert gpu.PAGE.read_text("utf-8") == gpu.NOT_RUN or "Machine:" in gpu.PAGE.read_text("utf-8")
