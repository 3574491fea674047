using System.Globalization;

namespace Rosetta.Testing.Processes;

/// <summary>
/// The child processes of this process, each as a file "child \n owner" in a folder all runs share: a run that was killed leaves its
/// files behind, and the next one ends those children.
/// </summary>
static class OwnedProcesses
{
    static readonly string Folder =
        Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), $"rosetta-processes-{Environment.UserName}")).FullName;
    static readonly Lock Guard = new();
    static readonly HashSet<ProcessIdentity> Mine = [];
    static bool hooked;

    public static void Add(ProcessIdentity child)
    {
        lock (Guard)
        {
            Mine.Add(child);
            if (!hooked)
            {
                hooked = true;
                AppDomain.CurrentDomain.ProcessExit += (_, _) => EndAll();
            }
        }
        File.WriteAllText(FileOf(child), child.Format() + "\n" + ProcessIdentity.Current.Format());
    }

    public static void Remove(ProcessIdentity child)
    {
        lock (Guard)
            Mine.Remove(child);
        File.Delete(FileOf(child));
    }

    /// <summary>Kills children whose owner is dead.</summary>
    public static void Reap()
    {
        foreach (var file in Directory.EnumerateFiles(Folder))
        {
            var lines = ReadLines(file);
            if (lines.Length != 2 || ProcessIdentity.Parse(lines[1]) is not { IsAlive: false })
                continue;
            ProcessIdentity.Parse(lines[0])?.Signal(PosixSignalNumber.Kill);
            File.Delete(file);
        }
    }

    static void EndAll()
    {
        ProcessIdentity[] children;
        lock (Guard)
            children = [.. Mine];
        foreach (var child in children)
        {
            child.Signal(PosixSignalNumber.Kill);
            File.Delete(FileOf(child));
        }
    }

    static string[] ReadLines(string file)
    {
        try
        {
            return File.ReadAllLines(file);
        }
        catch (FileNotFoundException)
        {
            // Its child has just ended.
            return [];
        }
    }

    static string FileOf(ProcessIdentity child) =>
        Path.Combine(Folder, string.Create(CultureInfo.InvariantCulture, $"{child.Id}-{child.StartTicks}"));
}
