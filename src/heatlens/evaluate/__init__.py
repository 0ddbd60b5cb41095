"""Evaluation: data set x models x recipes x metrics -> a table of rows, on one machine or many."""

from .datasets.dataset import Dataset as Dataset
from .datasets.dataset import Item as Item
from .datasets.dataset import Selection as Selection
from .datasets.dataset import dataset as dataset
from .datasets.dataset import read_subset as read_subset
from .datasets.opening import open_dataset as open_dataset
from .requests.models_file import read_models as read_models
from .requests.request import ModelRequest as ModelRequest
from .requests.request import Request as Request
from .requests.request import each_layer as each_layer
from .requests.request import with_centre as with_centre
from .results.rows import export as export
from .results.rows import read_rows as read_rows
from .run import run as run
from .tables.show import as_csv as as_csv
from .tables.show import as_markdown as as_markdown
from .tables.show import as_text as as_text
from .tables.show import write_curves as write_curves
from .tables.table import Summary as Summary
from .tables.table import summarise as summarise
