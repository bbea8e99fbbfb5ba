//! What a service manager receives. There is one test because it changes the process's environment.

use std::{os::unix::net::UnixDatagram, time::Duration};

use floodwall_systemd::{ServiceManager, inherited, reloading};

#[test]
fn it_hears_of_the_start_the_work_and_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let heard = || {
        let mut message = [0; 1_024];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    // SAFETY: this is the only test of this process, and it has started no thread.
    unsafe {
        std::env::set_var("NOTIFY_SOCKET", &path);
        std::env::set_var("WATCHDOG_USEC", "20000000");
        std::env::remove_var("WATCHDOG_PID");
        std::env::remove_var("LISTEN_PID");
    }
    let mut service_manager = ServiceManager::of_environment();
    assert_eq!(service_manager.beat_interval(), Some(Duration::from_secs(5)));
    service_manager.ready("eth0 is filtered");
    assert_eq!(heard(), "STATUS=eth0 is filtered\nREADY=1\n");
    service_manager.status("eth0 is filtered");
    service_manager.status("attack\non web");
    assert_eq!(heard(), "STATUS=attack on web\n", "the same is not told twice");
    service_manager.beat();
    assert_eq!(heard(), "WATCHDOG=1\n");
    let reload = reloading();
    let message = heard();
    assert!(message.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{message}");
    drop(reload);
    assert_eq!(heard(), "READY=1\n");
    service_manager.stopping("it was told to");
    assert_eq!(heard(), "STATUS=it was told to\nSTOPPING=1\n");
    let nothing = inherited().unwrap();
    assert!(nothing.control.is_none() && nothing.read_only.is_none());
    drop(manager);
    service_manager.beat();
}
