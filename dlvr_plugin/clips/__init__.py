"""What a clip is: frames in folders, in LMDBs and in video files, how they are read and how they are written."""
