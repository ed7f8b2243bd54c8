"""From Parquet files in the cloud to a map, and to coordinates that lie beside them.

``python examples/cloud_storage.py s3://bucket/big/ s3://bucket/coordinates/`` needs ``isthmus[cloud]``
and the package of fsspec for the place, here s3fs.
"""

from __future__ import annotations

import tempfile

import click
import fsspec

import isthmus


def study(source: str, target: str, **settings: object) -> float:
    """Fit, write the coordinates to the target, and return the error over PCA's."""
    rows = isthmus.scan(source, drop=["id"])
    print(rows)
    model = isthmus.Autoencoder(2, random_state=0, **settings).fit(rows)
    with tempfile.TemporaryDirectory() as place:
        # Files are written on a disk, where each is there as a whole or not at all, and then copied.
        print(isthmus.transform_files(model, source, f"{place}/coordinates", keep=["id"]))
        filesystem, path = fsspec.url_to_fs(target)
        filesystem.put(f"{place}/coordinates/", path, recursive=True)
    return model.validation_loss_ / model.pca_validation_loss_


@click.command(help=__doc__)
@click.argument("source")
@click.argument("target")
def main(source: str, target: str) -> None:
    print(f"error {study(source, target):.2f} of PCA's")


if __name__ == "__main__":
    main()
