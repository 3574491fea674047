using System.Security.Cryptography;

namespace Rosetta.Store.Secrets;

/// <summary>The file that holds a SECRET_KEY made by Rosetta, readable by its owner only.</summary>
public static class SecretKeyFile
{
    const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary><c>$ROSETTA_DATA_DIR/secret.key</c>, or <c>~/.local/share/rosetta/secret.key</c>.</summary>
    public static string DefaultPath(string? dataDirectory)
    {
        if (!string.IsNullOrWhiteSpace(dataDirectory)) return Path.Combine(Path.GetFullPath(dataDirectory), "secret.key");
        var data = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return Path.Combine(data.Length > 0 ? data : Path.GetTempPath(), "rosetta", "secret.key");
    }

    /// <summary>Reads the key, null when there is no file.</summary>
    /// <exception cref="SecretKeyException">It cannot be read, or others than its owner may read it.</exception>
    public static string? Read(string path)
    {
        try
        {
            if (!File.Exists(path)) return null;
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~OwnerOnly) != 0)
                throw new SecretKeyException($"The secret key file {path} is open to others. Run: chmod 600 '{path}'");
            var key = File.ReadAllText(path).Trim();
            return key.Length > 0 ? key : throw new SecretKeyException($"The secret key file {path} is empty. Put SECRET_KEY into it, or set SECRET_KEY.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SecretKeyException($"The secret key file {path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Makes a new random key and its file (mode 0600 from the first byte, complete or absent). An existing file is never replaced.</summary>
    /// <exception cref="SecretKeyException">It cannot be written.</exception>
    public static string Create(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
        var whole = $"{path}.{Guid.NewGuid():N}";
        try
        {
            var directory = Path.GetDirectoryName(path)!;
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(directory);
            else Directory.CreateDirectory(directory, OwnerOnly | UnixFileMode.UserExecute);
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerOnly;
            using (var file = new FileStream(whole, options))
            {
                file.Write(System.Text.Encoding.UTF8.GetBytes(key + "\n"));
                file.Flush(flushToDisk: true);
            }

            File.Move(whole, path, overwrite: false);
            return key;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            File.Delete(whole);
            throw new SecretKeyException(
                $"No SECRET_KEY is set and the secret key file {path} cannot be made: {e.Message}. Set SECRET_KEY, or ROSETTA_DATA_DIR to a folder that may be written.", e);
        }
    }
}
