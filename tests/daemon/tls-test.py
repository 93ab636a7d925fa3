"""TLS, with clients and certificates of others."""
import os
import pathlib
import shutil
import subprocess
import unittest

from lib.daemon_test import MIB, NBD, DaemonTest, disk, export, run

TEMPLATES = {
    "ca": "cn = test authority\nca\ncert_signing_key\n",
    "server": "cn = localhost\ndns_name = localhost\ntls_www_server\nencryption_key\nsigning_key\n",
    "client": "cn = client\ntls_www_client\nencryption_key\nsigning_key\n",
}


class Tls(DaemonTest):
    def tls_uri(self, what):
        return f"nbds+unix://user@localhost/disk?socket=nbd.sock&{what}"

    def make_certificates(self):
        for name in TEMPLATES:
            pathlib.Path(name + ".template").write_text(TEMPLATES[name])
            # Short keys: making them is most of the test's time.
            self.succeeds("certtool", "--generate-privkey", "--key-type=ecdsa", "--curve=secp256r1", "--outfile",
                          name + "-key.pem")
            signed = ("--generate-self-signed",) if name == "ca" else (
                "--generate-certificate", "--load-ca-certificate", "ca-cert.pem", "--load-ca-privkey", "ca-key.pem")
            self.succeeds("certtool", *signed, "--load-privkey", name + "-key.pem", "--template", name + ".template",
                          "--outfile", name + "-cert.pem")
        os.mkdir("server")
        os.mkdir("client")
        os.mkdir("stranger")
        for file in ("ca-cert.pem", "server-cert.pem", "server-key.pem"):
            shutil.copy(file, "server")
        for file in ("ca-cert.pem", "client-cert.pem", "client-key.pem"):
            shutil.copy(file, "client")
        shutil.copy("ca-cert.pem", "stranger")

    def serve(self, credentials):
        self.make_disk()
        self.start("--object=" + credentials, disk(), NBD + ",tls-creds=tls", export())

    def test_a_client_with_the_shared_key_is_served_and_others_are_not(self):
        if not shutil.which("psktool"):
            self.skipTest("psktool is not here (package gnutls-bin)")
        os.mkdir("keys")
        subprocess.run(["psktool", "-u", "user", "-p", "keys/keys.psk"], check=True, capture_output=True)
        subprocess.run(["psktool", "-u", "user", "-p", "wrong.psk"], check=True, capture_output=True)
        self.serve("tls-creds-psk,id=tls,dir=keys,endpoint=server")
        self.assertEqual(self.succeeds("nbdinfo", "--size", self.tls_uri("tls-psk-file=keys/keys.psk")).strip(),
                         str(16 * MIB))
        self.assertNotEqual(run("nbdinfo", "--size", self.tls_uri("tls-psk-file=wrong.psk")).returncode, 0)
        self.assertNotEqual(run("nbdinfo", "--size", "nbd+unix:///disk?socket=nbd.sock").returncode, 0)

    def test_certificates_are_checked_on_both_sides(self):
        if not shutil.which("certtool"):
            self.skipTest("certtool is not here (package gnutls-bin)")
        self.make_certificates()
        self.serve("tls-creds-x509,id=tls,dir=server,endpoint=server")
        known = self.tls_uri("tls-certificates=client&tls-verify-peer=true")
        self.assertEqual(self.succeeds("nbdinfo", "--size", known).strip(), str(16 * MIB))
        stranger = run("nbdinfo", "--size", self.tls_uri("tls-certificates=stranger&tls-verify-peer=true"))
        self.assertNotEqual(stranger.returncode, 0, "a client without a certificate was served")

    def test_verify_peer_off_serves_clients_without_a_certificate(self):
        if not shutil.which("certtool"):
            self.skipTest("certtool is not here (package gnutls-bin)")
        self.make_certificates()
        self.serve("tls-creds-x509,id=tls,dir=server,endpoint=server,verify-peer=off")
        self.succeeds("nbdinfo", "--size", self.tls_uri("tls-certificates=stranger&tls-verify-peer=true"))

    def test_a_key_of_another_certificate_is_refused_under_the_options_name(self):
        if not shutil.which("certtool"):
            self.skipTest("certtool is not here (package gnutls-bin)")
        self.make_certificates()
        shutil.copy("client-key.pem", "server/server-key.pem")
        self.make_disk()
        option = "tls-creds-x509,id=tls,dir=server,endpoint=server"
        said = self.start_fails(f"--object={option}", disk(), NBD + ",tls-creds=tls", export())
        self.assertTrue(said.startswith(f"dedup-storage-daemon: --object {option}: Unable to use "), said)
        self.assertFalse(os.path.exists("nbd.sock"))

    def test_missing_credentials_are_named(self):
        os.mkdir("empty")
        for kind, file in (("tls-creds-psk", "keys.psk"), ("tls-creds-x509", "ca-cert.pem")):
            said = self.start_fails(f"--object={kind},id=tls,dir=empty,endpoint=server", NBD + ",tls-creds=tls")
            self.assertIn(f"empty/{file}: No such file or directory", said)


if __name__ == "__main__":
    unittest.main()
