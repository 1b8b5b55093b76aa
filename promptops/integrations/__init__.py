"""promptops inside of other libraries; each room here needs that library."""
