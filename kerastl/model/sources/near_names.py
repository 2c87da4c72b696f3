"""Finds the networks that a name may mean that is none of theirs, as other libraries write it."""

import re
from collections.abc import Iterable

from kerastl.errors import closest
from kerastl.model.backbones import Backbone
from kerastl.settings.model import HUB

_MOST = 3
# Addresses of presets, which KerasHub takes.
_ADDRESS = re.compile(r"(hf|kaggle)://")


def near_names(name: str, known: Iterable[Backbone]) -> list[str]:
    """Returns up to three names of networks that are most like a name, the smallest first.

    Letters and digits count, so `resnet18` is near `hub:resnet_18_imagenet`; where none begins
    with them, those of which they are an abbreviation, so `vit_b_16` is near
    `hub:vit_base_patch16_224_imagenet`; and where there are none, those that are spelled alike. A
    tag behind a full stop, as in timm's `resnet18.a1_in1k`, does not count.
    """
    if _ADDRESS.match(name):
        return [f"{HUB}{name}"]
    wanted = _letters(name)
    parameters = {one.name: one.parameters for one in known}
    forms = {one: _letters(one) for one in parameters}
    abbreviated = re.compile(".*?".join(map(re.escape, wanted)))
    for found in (
        [one for one, form in forms.items() if form == wanted],
        [one for one, form in forms.items() if form.startswith(wanted)],
        [one for one, form in forms.items() if form[:3] == wanted[:3] and abbreviated.match(form)],
    ):
        if found and wanted:
            # Those of KerasHub last: they need an extra.
            millions = {one: round(parameters[one] / 1e6) for one in found}
            order = sorted(found, key=lambda one: (one.startswith(HUB), millions[one], len(one)))
            return order[:_MOST]
    return closest(name, forms)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z\d]", "", name.lower().removeprefix(HUB).partition(".")[0])
