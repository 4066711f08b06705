"""The book: every act, by whom, when, on which things. It only grows."""
