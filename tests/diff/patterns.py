PATTERNS = {"none": (lambda g: None, 1)}
