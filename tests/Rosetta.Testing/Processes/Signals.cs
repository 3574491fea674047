using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Rosetta.Testing.Processes;

/// <summary>The POSIX signals the kit sends. Numbers are those of Linux.</summary>
public enum PosixSignalNumber
{
    Hangup = 1,
    Interrupt = 2,
    Quit = 3,
    Kill = 9,
    Terminate = 15,
    Continue = 18,
    Stop = 19
}

/// <summary>Sends signals to processes by id; .NET itself can only SIGKILL.</summary>
public static partial class Signals
{
    const int NoSuchProcess = 3;

    /// <summary>Sends <paramref name="signal"/>; false when the process does not exist any more.</summary>
    /// <exception cref="Win32Exception">The kernel refused for another reason, e.g. EPERM.</exception>
    public static bool Send(int processId, PosixSignalNumber signal)
    {
        // 0 and -1 address process groups and everything we may signal: never by accident.
        ArgumentOutOfRangeException.ThrowIfLessThan(processId, 2);
        if (SendSignal(processId, (int)signal) == 0)
            return true;
        var error = Marshal.GetLastPInvokeError();
        return error == NoSuchProcess ? false : throw new Win32Exception(error, $"Sending {signal} to process {processId} failed");
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SendSignal(int pid, int signal);
}
