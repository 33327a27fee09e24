//! TURN credentials, message integrity and stateless nonces.
