"""The dataset part of Fine-tune: pictures, captions, fetching, the cache."""
