"""The watched asset, declared once: a second declaration without the watcher would make the trigger flap."""

from __future__ import annotations

from airflow.sdk import Asset, AssetWatcher

from operators.triggers import UploadTrigger

uploads = Asset(
    name="seatrial-uploads",
    uri="x-seatrial://uploads",
    watchers=[AssetWatcher(name="seatrial-upload-watcher", trigger=UploadTrigger())],
)
