-- Notifications to be mailed are found by lane. The version before this one does so already, and an older one only sorts.
ALTER TABLE notifications
    DROP KEY notifications_to_send
