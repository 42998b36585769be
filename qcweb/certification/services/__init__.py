"""What is done about certifications: by people, by the system, on one block and on many."""
