"""One formula, one file.  This page is the table of contents."""
