// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Deployment} from "../Deployment.sol";
import {DisputeManager} from "../DisputeManager.sol";
import {Market} from "../Market.sol";
import {RootQuorum} from "../RootQuorum.sol";
import {StorageProofs} from "../StorageProofs.sol";
import {PasskeyAccounts} from "../accounts/PasskeyAccounts.sol";
import {Emissions} from "../emissions/Emissions.sol";
import {GovernedWeights} from "../emissions/GovernedWeights.sol";
import {NetworkGovernor} from "../governance/NetworkGovernor.sol";
import {Timelock} from "../governance/Timelock.sol";
import {ICredits} from "../interfaces/ICredits.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IMintable} from "../interfaces/IMintable.sol";
import {INetworkRegistry} from "../interfaces/INetworkRegistry.sol";
import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {IWeights} from "../interfaces/IWeights.sol";

/// @notice The contracts of a set whose arguments are the same in every test: judges, emissions, market, accounts, governance.
library FullSet {
    uint128 internal constant EMITTED = 1e27;
    uint32 internal constant HALF_LIFE = 730;

    function deployRest(Deployment d, address guardian) internal {
        _deployJudges(d);
        put(d, "Emissions", type(Emissions).creationCode, abi.encode(_peers(d), EMITTED, HALF_LIFE));
        bytes memory args = abi.encode(d.addressOf("Timelock"), d.addressOf("Escrow"));
        put(d, "Weights", type(GovernedWeights).creationCode, args);
        args = abi.encode(d.addressOf("Escrow"), d.addressOf("Staking"), d.addressOf("Timelock"));
        put(d, "Market", type(Market).creationCode, args);
        put(d, "PasskeyAccounts", type(PasskeyAccounts).creationCode, "");
        args = abi.encode(7 days, d.addressOf("Governor"), guardian);
        put(d, "Timelock", type(Timelock).creationCode, args);
        args = abi.encode(d.addressOf("Staking"), d.addressOf("Token"), d.addressOf("Timelock"), 1e24);
        put(d, "Governor", type(NetworkGovernor).creationCode, args);
    }

    function _deployJudges(Deployment d) private {
        (address registry, address distributor) = (d.addressOf("NetworkRegistry"), d.addressOf("RewardsDistributor"));
        (address token, address staking) = (d.addressOf("Token"), d.addressOf("Staking"));
        put(d, "RootQuorum", type(RootQuorum).creationCode, abi.encode(registry, distributor, staking));
        bytes memory args = abi.encode(token, registry, d.addressOf("Delegations"), d.addressOf("DisputeManager"));
        put(d, "StorageProofs", type(StorageProofs).creationCode, args);
        args = abi.encode(
            token,
            registry,
            staking,
            d.addressOf("DeviceRegistry"),
            distributor,
            d.addressOf("RootPublisher"),
            d.addressOf("RootQuorum"),
            d.addressOf("StorageProofs")
        );
        put(d, "DisputeManager", type(DisputeManager).creationCode, args);
    }

    function put(Deployment d, bytes32 name, bytes memory code, bytes memory args) internal returns (address) {
        return d.deploy(name, abi.encodePacked(code, args));
    }

    function _peers(Deployment d) private view returns (Emissions.Peers memory) {
        return Emissions.Peers({
            token: IMintable(d.addressOf("Token")),
            credits: ICredits(d.addressOf("Credits")),
            escrow: IEscrow(d.addressOf("Escrow")),
            registry: INetworkRegistry(d.addressOf("NetworkRegistry")),
            distributor: IRewardsDistributor(d.addressOf("RewardsDistributor")),
            weights: IWeights(d.addressOf("Weights")),
            authority: d.addressOf("Timelock")
        });
    }
}
