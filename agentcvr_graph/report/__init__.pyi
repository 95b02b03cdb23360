from .excerpts import cited_windows, timeline
from .page import render_report, write_report
from .thumbnails import MediaThumbnails, Thumbnails

__all__ = ["MediaThumbnails", "Thumbnails", "cited_windows", "render_report", "timeline", "write_report"]
