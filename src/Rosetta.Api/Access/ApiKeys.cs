using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Rosetta.Api.Access;

/// <summary>Who a request comes from: the name of its key, and what it may do.</summary>
public sealed record Caller(string Name, ApiRole Role);

/// <summary>The keys of <c>ROSETTA_API_KEYS</c>. Only their hashes are kept.</summary>
public sealed class ApiKeys
{
    const string Form = "ROSETTA_API_KEYS must be a comma-separated list of name:role:key with role viewer, operator or admin";
    const int MinimumLength = 8;

    readonly ImmutableArray<(byte[] Hash, Caller Caller)> _keys;

    ApiKeys(ImmutableArray<(byte[] Hash, Caller Caller)> keys) => _keys = keys;

    public static readonly ApiKeys None = new([]);

    /// <summary>With none configured the API needs no key and listens on loopback only.</summary>
    public bool Any => _keys.Length > 0;

    /// <exception cref="ApiSettingException">It is not of that form.</exception>
    public static ApiKeys Parse(string? setting)
    {
        if (string.IsNullOrWhiteSpace(setting)) return None;
        var keys = ImmutableArray.CreateBuilder<(byte[], Caller)>();
        var number = 0;
        foreach (var entry in setting.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            number++;
            var parts = entry.Split(':', 3);
            if (parts.Length != 3 || parts[0].Length == 0) throw new ApiSettingException($"{Form}; entry {number} is not of that form.");
            if (!Enum.TryParse<ApiRole>(parts[1], ignoreCase: true, out var role) || !Enum.IsDefined(role) || char.IsAsciiDigit(parts[1][0]))
                throw new ApiSettingException($"{Form}; entry {number} ('{parts[0]}') has another role.");
            if (parts[2].Length < MinimumLength)
                throw new ApiSettingException($"{Form}; the key of entry {number} ('{parts[0]}') is shorter than {MinimumLength} characters.");
            if (keys.Any(k => k.Item2.Name == parts[0])) throw new ApiSettingException($"{Form}; the name '{parts[0]}' occurs twice.");
            keys.Add((Hash(parts[2]), new Caller(parts[0], role)));
        }

        return new ApiKeys(keys.ToImmutable());
    }

    /// <summary>The key's owner, null for an unknown key. Takes the same time for every key of a length.</summary>
    public Caller? Find(string key)
    {
        var hash = Hash(key);
        Caller? found = null;
        foreach (var (known, caller) in _keys)
            if (CryptographicOperations.FixedTimeEquals(known, hash)) found = caller;
        return found;
    }

    static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
