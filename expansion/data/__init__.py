"""From records to clips: what is stored of a video, and how clips are cut from it."""
