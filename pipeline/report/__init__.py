"""`x3d report`: one page on a finished or running search, as HTML or Markdown."""
