.PHONY: check lint types test format

check: lint types test

lint:
	ruff check .
	ruff format --check .

types:
	mypy promptops

test:
	pytest -n logical

format:
	ruff check --fix .
	ruff format .
