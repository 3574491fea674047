using System.Net;
using Rosetta.Api.Access;

namespace Rosetta.Api.Hosting;

/// <summary>Where the API listens, and who may use it.</summary>
/// <param name="Addresses">Addresses to listen on.</param>
/// <param name="Port">Port of the API; null: 8000, or a free one when that is taken.</param>
/// <param name="HealthPort">Port of health and metrics; null: 8001, or a free one when that is taken.</param>
public sealed record ApiSettings(IReadOnlyList<IPAddress> Addresses, int? Port, int? HealthPort, ApiKeys Keys)
{
    public const int DefaultPort = 8000;
    public const int DefaultHealthPort = 8001;

    /// <param name="address">An IP address, <c>localhost</c>, or <c>*</c> for all. Anything but loopback needs keys.</param>
    /// <param name="port">See <see cref="Port"/>; 0 takes any free one.</param>
    /// <param name="healthPort">See <see cref="HealthPort"/>; 0 takes any free one.</param>
    /// <param name="keys">The value of <c>ROSETTA_API_KEYS</c>.</param>
    /// <exception cref="ApiSettingException">A value is wrong, or the API should listen elsewhere than on loopback without a key.</exception>
    public static ApiSettings Create(string? address, int? port, int? healthPort, string? keys)
    {
        address = string.IsNullOrWhiteSpace(address) ? "localhost" : address.Trim();
        var settings = new ApiSettings(
            Parse(address), PortOf(port, "Rosetta:Listen:ApiPort"), PortOf(healthPort, "Rosetta:Listen:HealthPort"), ApiKeys.Parse(keys));
        if (!settings.Keys.Any && !settings.Addresses.All(IPAddress.IsLoopback))
        {
            throw new ApiSettingException(
                $"Rosetta:Listen:Address is '{address}', which others can reach, and no key is configured. "
                + "Set ROSETTA_API_KEYS (name:role:key, comma separated), or listen on localhost.");
        }

        return settings;
    }

    static IReadOnlyList<IPAddress> Parse(string address)
    {
        if (address is "*" or "+") return [IPAddress.Any];
        if (address.Equals("localhost", StringComparison.OrdinalIgnoreCase)) return [IPAddress.Loopback];
        return IPAddress.TryParse(address.Trim('[', ']'), out var parsed)
            ? [parsed]
            : throw new ApiSettingException($"Rosetta:Listen:Address is '{address}'; allowed are an IP address, localhost, or * for all addresses.");
    }

    static int? PortOf(int? port, string key) => port is null or (>= 0 and <= 65535)
        ? port
        : throw new ApiSettingException($"{key} is {port}; allowed is a port from 0 (any free one) to 65535.");
}
