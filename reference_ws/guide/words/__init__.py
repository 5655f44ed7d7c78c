"""The sentences that the program itself shows a person, and their catalogs in Chinese, Portuguese and Russian."""
