"""From maps to places: what is above a threshold, and its boxes, points and masks.  Pure: arrays in, arrays out."""

from .boxes import find_boxes as find_boxes
from .boxes import merged as merged
from .finding import LEAST_PROBABLE as LEAST_PROBABLE
from .finding import Finding as Finding
from .finding import Located as Located
from .formats import FORMS as FORMS
from .formats import Form as Form
from .formats.coco import coco as coco
from .formats.coco import from_coco as from_coco
from .formats.voc import voc as voc
from .grabcut import grabcut as grabcut
from .guesses import first_five as first_five
from .points import find_points as find_points
from .release import release_boxes as release_boxes
from .search import find_mask as find_mask
from .search import search as search
from .thresholds import USUAL as USUAL
from .thresholds import Threshold as Threshold
from .thresholds import above as above
from .thresholds import find_threshold as find_threshold
