"""What commands write: pictures, maps, boxes, records."""
