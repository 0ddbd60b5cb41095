"""Evaluation: data set x models x recipes x metrics -> a table of rows, on one machine or many."""

from .dataset import Dataset as Dataset
from .dataset import Item as Item
from .dataset import Selection as Selection
from .dataset import dataset as dataset
from .dataset import read_subset as read_subset
from .models_file import read_models as read_models
from .opening import open_dataset as open_dataset
from .request import ModelRequest as ModelRequest
from .request import Request as Request
from .request import each_layer as each_layer
from .request import with_centre as with_centre
from .rows import export as export
from .rows import read_rows as read_rows
from .run import run as run
from .show import as_csv as as_csv
from .show import as_markdown as as_markdown
from .show import as_text as as_text
from .show import write_curves as write_curves
from .table import Summary as Summary
from .table import summarise as summarise
