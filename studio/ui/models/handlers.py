"""What the Models panel does: handlers over plain values, and the panel's few wires."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from studio.home.disk import MIB
from studio.home.workspace import Workspace
from studio.memory.costs import ANY_GPU, costs
from studio.memory.free import free_memory, wish_for_memory
from studio.models.cards import (
    ADAPTERS,
    CARDS,
    NOT_OFFERED,
    AdapterCard,
    ModelCard,
    adapter_card,
    reason_against,
)
from studio.models.downloads import Downloads, DownloadState
from studio.models.hub_adapters import adapter_place, remove_adapter
from studio.models.lookup import check_available, hub_id_of, is_here
from studio.ui.events import QUEUED_EACH, UNQUEUED
from studio.ui.messages import short_seconds, shows_errors
from studio.ui.models.panel import Action, CardView, ModelsContent, ModelsPanel
from studio.ui.parts.pulse.pulse import Pulse, at_each_beat


@dataclass(slots=True)
class ModelsHandlers:
    """The panel over the catalogue, the hub and this machine."""

    workspace: Workspace
    downloads: Downloads
    hosted: bool
    account: str = ""
    others: list[str] = field(default_factory=list)
    """Hub ids outside the catalogue that were asked for."""

    def version(self) -> str:
        """Differs whenever an open panel should look again."""
        return self.downloads.version()

    def told_with(self, changes: Callable[[], str]) -> Callable[[], str]:
        """What a page's pulse watches: `changes` and the downloads."""

        def both() -> str:
            return f"{changes()} {self.version()}"

        return both

    def show(self) -> ModelsContent:
        """Everything as it is now."""
        free = ANY_GPU if self.hosted else free_memory(self.downloads.hub.cache)
        told = costs(free, self.workspace.root)
        cards = [self._card(card, told[card.entry.id]) for card in CARDS]
        cards += [self._adapter(card) for card in ADAPTERS]
        cards += [self._other(hub_id) for hub_id in self.others]
        return ModelsContent(
            cards=tuple(cards),
            memory="" if self.hosted else free.sentence(),
            account=self.account,
            not_offered=tuple(f"{one.title}: {one.reason}" for one in NOT_OFFERED),
            hosted=self.hosted,
        )

    def tick(self, seen: str) -> Any:
        """One look; nothing is sent while no download moves."""
        version = self.version()
        return (gr.skip(), gr.skip()) if version == seen else (self.show(), version)

    @shows_errors
    def act(self, event: gr.EventData) -> ModelsContent:
        """A button: "pull", "stop" or "remove" of a model, "free" or "test"."""
        if self.hosted:
            raise ValueError("models are downloaded and removed by the owner of this studio alone")
        action, name = str(event.action), str(event.id)
        if action == "free":
            wish_for_memory(self.workspace)
            gr.Info("The worker gives its memory back as soon as it has nothing to draw.", duration=5)
        elif action == "test":
            self.account = self._tested()
        elif action in ("pull", "stop", "remove"):
            if (adapter := adapter_card(name)) is not None:
                self._act_on_adapter(action, adapter)
            else:
                self._act_on_model(action, hub_id_of(name))
        else:
            raise ValueError(f"unknown action {action!r}; reload the page")
        return self.show()

    def _act_on_model(self, action: str, hub_id: str) -> None:
        if action == "stop":
            self.downloads.stop(hub_id)
        elif action == "remove":
            self.downloads.hub.remove(hub_id)
            self.downloads.forget(hub_id)
            if hub_id in self.others:
                self.others.remove(hub_id)
        else:
            if (reason := reason_against(hub_id)) is not None:
                raise ValueError(reason)
            if hub_id not in self.others and all(card.entry.source != hub_id for card in CARDS):
                self.downloads.hub.plan(hub_id)  # what is no pipeline is refused before it gets a card
                self.others.append(hub_id)
            self.downloads.start(hub_id)

    def _act_on_adapter(self, action: str, card: AdapterCard) -> None:
        if action == "stop":
            self.downloads.stop(card.hub_id)
        elif action == "remove":
            remove_adapter(self.downloads.hub, card, self.workspace.root)
            self.downloads.forget(card.hub_id)
        else:
            self.downloads.start_adapter(card, self.workspace.root)

    def _tested(self) -> str:
        """Whose token it is, and which gated models it opens: a token alone opens none of them."""
        hub = self.downloads.hub
        try:
            told = f"The token is {hub.whoami()}'s, and the hub accepts it."
        except ValueError as error:
            return str(error)
        opened, closed = [], []
        for entry in (card.entry for card in CARDS if card.entry.gated):
            try:
                hub.check_access(entry.source)
                opened.append(entry.title)
            except ValueError:
                closed.append(entry.title)
        if opened:
            told += f" It may read {', '.join(opened)}."
        if closed:
            told += f" Not yet {', '.join(closed)}: accept the licence on the page of each."
        return told

    def _card(self, card: ModelCard, cost: str) -> CardView:
        entry = card.entry
        width_px, height_px = card.advised_sizes_px[0]
        size = f"{card.download_bytes / 1e9:.1f} GB" if card.download_bytes else "bundled"
        facts = (
            *(entry.family.upper(), entry.autoencoder.upper(), size, f"best at {width_px} × {height_px}"),
            *(f"{entry.default_steps} steps, guidance {entry.default_guidance_scale:g}", entry.licence),
            *(("gated",) if entry.gated else ()),
            cost,
        )
        view = CardView(
            id=entry.id, title=entry.title, facts=facts, advice=card.advice, gate_url=_text(entry.gate_url)
        )
        state = self.downloads.state(entry.source)
        if state is not None and state.stage != "done":
            return self._downloading(view, state)
        if is_here(entry):
            view.state, view.mood = "Here", "here"
            view.actions = ("remove",) if entry.folder is None and not self.hosted else ()
            return view
        try:
            check_available(entry)
            view.state, view.mood = f"{card.disk_mib * MIB / 1e9:.1f} GB of disk needed", "ready"
        except ValueError as error:
            view.state, view.mood = str(error), "lacking"
        view.actions = () if self.hosted else ("pull",)
        return view

    def _adapter(self, card: AdapterCard) -> CardView:
        view = CardView(
            id=card.id, title=card.title, facts=("LoRA", f"for {card.base}", card.licence), advice=card.advice
        )
        state = self.downloads.state(card.hub_id)
        if state is not None and state.stage != "done":
            return self._downloading(view, state)
        here = adapter_place(card, self.workspace.root).is_file()
        view.state, view.mood = ("Here: add it under LoRAs", "here") if here else ("Not here yet", "ready")
        actions: tuple[Action, ...] = ("remove",) if here else ("pull",)
        view.actions = () if self.hosted else actions
        return view

    def _other(self, hub_id: str) -> CardView:
        view = CardView(id=hub_id, title=hub_id, facts=("from the hub",))
        state = self.downloads.state(hub_id)
        if state is not None and state.stage != "done":
            return self._downloading(view, state)
        view.state, view.mood, view.actions = "Here: write its name into Model", "here", ("remove",)
        return view

    def _downloading(self, view: CardView, state: DownloadState) -> CardView:
        view.state = state.sentence()
        if state.seconds_left is not None:
            view.state += f", {short_seconds(state.seconds_left)} left"
        view.fraction = state.here_bytes / max(1, state.total_bytes)
        view.mood = "busy" if state.is_active else "lacking" if state.stage == "failed" else "ready"
        actions: tuple[Action, ...] = ("stop",) if state.is_active else ("pull",)
        view.actions = () if self.hosted else actions
        return view


def wire_models_panel(panel: ModelsPanel, handlers: ModelsHandlers, pulse: Pulse) -> None:
    seen = gr.State("")
    panel.show(handlers.show, None, panel, **UNQUEUED)
    panel.act(handlers.act, None, panel, **QUEUED_EACH)
    at_each_beat(pulse, handlers.tick, seen, [panel, seen])


def _text(url: str | None) -> str:
    return "" if url is None else url
