"""The run-time data models of SCORM 1.2 and SCORM 2004: which elements there are and what they may hold."""
