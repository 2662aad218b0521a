"""Options of a run: read safely, described, checked, and parsed, before anything is created.

``yaml_reader`` reads files and ``--force_yml``; ``user_classes`` loads the modules that they name. ``schema`` describes
every option: ``signatures`` derives what classes declare. ``find_problems`` compares options with the schema, and
``consistency`` looks at options together and at the files that they name. ``parse`` makes of all what training and
tests take. ``json_schema`` and ``reference`` write the schema down, for editors and for people; ``new_files`` writes
files to start from.
"""
