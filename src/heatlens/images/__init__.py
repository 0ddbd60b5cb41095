"""Photos in, pictures out: reading, the way to the model's input and back, colours, overlays, grids, files."""

from .boxed import boxed as boxed
from .colour import colourise as colourise
from .find import find_photos as find_photos
from .geometry import Box as Box
from .geometry import Placement as Placement
from .geometry import Point as Point
from .geometry import Preprocessing as Preprocessing
from .geometry import black as black
from .geometry import denormalise as denormalise
from .geometry import prepare as prepare
from .geometry import seen as seen
from .geometry import to_photo as to_photo
from .grid import colour_bar as colour_bar
from .grid import grid as grid
from .grid import panel as panel
from .names import safe_name as safe_name
from .names import unique_names as unique_names
from .overlay import fit as fit
from .overlay import overlay as overlay
from .own import made_here as made_here
from .read import Photo as Photo
from .read import read_photo as read_photo
from .write import save_array as save_array
from .write import save_image as save_image
from .write import save_json as save_json
from .write import write_bytes as write_bytes
