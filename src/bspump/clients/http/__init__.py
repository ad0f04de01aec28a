"""What every part that speaks HTTP needs: sessions, TLS, time limits and one table of errors."""
