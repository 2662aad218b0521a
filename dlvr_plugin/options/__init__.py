"""Options of a run: read safely, described, checked, and parsed, before anything is created.

``yaml_reader`` reads files and ``--force_yml``; ``schema`` describes every option; ``check`` compares the two, and
``checks`` look at options together and at the files that they name; ``parse`` makes of all what training and tests
take.
"""
