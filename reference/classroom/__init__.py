"""A class with the lessons: an nbgrader course made from the notebooks, the grades of its checks, and a report.

nbgrader is no dependency of the course. What is here writes files that it reads, and reads files that it wrote.
"""
