-- What is to be mailed, lane by lane. The version before reads notifications_to_send.
ALTER TABLE notifications
    ADD KEY notifications_by_lane (status, lane, next_attempt_at)
