"""The record of one video: a tf.train.Example of JPEG frames with scalars beside them.

Names and meanings only; imports nothing, so that Beam workers can use it before TensorFlow is loaded.
"""

JPEG = "jpeg"  # bytes list: one JPEG per stored frame, in display order
LABEL = "label"  # int64: index into the manifest's classes; with several labels a video, 0 or 1 for each class
LABEL_TEXT = "label_text"  # bytes, UTF-8
VIDEO_ID = "video_id"  # bytes, UTF-8: unique within the data set
GROUP = "group"  # bytes, UTF-8: videos of one group never stand in two splits
FRAMES = "frames"  # int64: number of stored frames
FPS = "fps"  # float: stored frames per second
HEIGHT = "height"  # int64: pixels of a stored frame
WIDTH = "width"  # int64
SOURCE = "source"  # bytes, UTF-8: path of the video relative to its root

# Of videos with several labels: their segments, in the order of the label file, each with class and times.
SEGMENT_LABELS = "segment_labels"  # int64 list: indices into the manifest's classes
SEGMENT_STARTS = "segment_starts"  # int64 list: microseconds from the video's beginning
SEGMENT_ENDS = "segment_ends"  # int64 list: microseconds; may lie after the video's end
LENGTH = "length"  # int64: microseconds of the video, as its label file or else its frames have it

MICROS = 1_000_000
FOREVER = 1 << 53  # microseconds, the end of a label that holds for the whole video; it begins at -FOREVER

SCALARS = (LABEL, LABEL_TEXT, VIDEO_ID, GROUP, FRAMES, FPS, HEIGHT, WIDTH, SOURCE)

MANIFEST = "manifest.json"  # beside the Split-* folders: classes, counts, settings
VIDEOS = "videos.jsonl"  # one line per video of the input: accepted or rejected, with the reason
INDEX = "index"  # folder beside them: where each frame lies, and the segments; see frame_index and segment_index
SPLITS = ("train", "val", "test")
