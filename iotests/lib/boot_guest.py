"""A guest of one sector: a boot program that writes to its own disk, reads it back, and says on the serial line how it went.

It runs in QEMU without hardware acceleration and needs no kernel: the BIOS has a driver for virtio disks. The console
shows "B" at the start, a dot for each sector written, then "V", a dot for each sector verified, and "OK" or "ERROR".
"""
import pathlib
import subprocess

SECTORS = 160
FIRST, DISTANCE = 2048, 8  # of the sectors written, in sectors: each in a cluster of its own

PROGRAM = f"""
        .code16
        .globl _start
_start: ljmp    $0, $begin
begin:  xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        movb    %dl, drive
        cld
        movb    $'B', %al
        call    say
        movw    $0, %bx                 # the number of the sector
write:  call    fill
        movw    $0x4300, %ax
        call    transfer
        movw    $2000, %dx              # microseconds
        call    pause
        movb    $'.', %al
        call    say
        incw    %bx
        cmpw    ${SECTORS}, %bx
        jb      write
        movb    $'V', %al
        call    say
        movw    $0, %bx
verify: movw    $0x8000, %di
        movw    $256, %cx
        xorw    %ax, %ax
        rep stosw
        movw    $0x4200, %ax
        call    transfer
        movw    $0x8000, %di
        movw    $256, %cx
        movw    %bx, %ax
        xorw    $0x5a5a, %ax
        repe scasw
        jne     failed
        movw    $2000, %dx
        call    pause
        movb    $'.', %al
        call    say
        incw    %bx
        cmpw    ${SECTORS}, %bx
        jb      verify
        movw    $ok, %si
        jmp     end
failed: movw    $error, %si
end:    lodsb
        testb   %al, %al
        jz      halt
        call    say
        jmp     end
halt:   movw    $0xf4, %dx              # QEMU's isa-debug-exit, if it is there
        outb    %al, %dx
        cli
        hlt

fill:   movw    $0x8000, %di
        movw    $256, %cx
        movw    %bx, %ax
        xorw    $0x5a5a, %ax
        rep stosw
        ret

transfer:                               # ax: the BIOS function
        movw    %bx, %cx
        shlw    $3, %cx                 # DISTANCE
        addw    ${FIRST}, %cx
        movw    %cx, sector
        movb    drive, %dl
        movw    $packet, %si
        int     $0x13
        jc      failed
        ret

pause:  xorw    %cx, %cx
        movb    $0x86, %ah
        int     $0x15
        ret

say:    movw    $0x3f8, %dx
        outb    %al, %dx
        ret

ok:     .asciz  "OK\\n"
error:  .asciz  "ERROR\\n"
drive:  .byte   0
        .balign 4
packet: .byte   16, 0
        .word   1                       # sectors
        .word   0x8000, 0               # buffer
sector: .quad   0
        .org    510
        .word   0xaa55
"""


def make_boot_sector(path):
    source = pathlib.Path("boot.s")
    source.write_text(PROGRAM)
    for command in (["as", "--32", "-o", "boot.o", "boot.s"],
                    ["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "-e", "_start", "-o", "boot.elf", "boot.o"],
                    ["objcopy", "-O", "binary", "-j", ".text", "boot.elf", path]):
        subprocess.run(command, check=True)


def sectors():
    """Number of each sector that the guest writes, and what it holds then."""
    for number in range(SECTORS):
        yield FIRST + DISTANCE * number, (number ^ 0x5A5A).to_bytes(2, "little") * 256
